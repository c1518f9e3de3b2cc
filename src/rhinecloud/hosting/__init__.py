"""Hosting: how a worker finds the installed apps, prepares their schemas, and serves, runs and stops them.

It offers `Apps` (all apps of a worker) and `find` (what is installed). An app that cannot be served is named, with the
reason in words, in the log, on the page of operations and by `rhinecloud app list`; the others are served all the same.
"""

from .api import AppApis
from .apps import IN_EVERY_APP, Apps
from .finding import GROUP, Found, app_migrations, find, wanted

__all__ = ["GROUP", "IN_EVERY_APP", "AppApis", "Apps", "Found", "app_migrations", "find", "wanted"]
