"""Which storage the settings name."""

from __future__ import annotations

from pathlib import Path

from rhinecloud.settings import Settings, SettingsError

from .s3 import Bucket
from .storage import Folder, Storage


def storage_of(settings: Settings) -> Storage:
    """The folder `files` of the data folder, or the bucket of the setting files_url. Raises SettingsError."""
    if settings.files_url is None:
        return Folder(files_folder(settings))
    try:
        return Bucket(settings.files_url)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def files_folder(settings: Settings) -> Path:
    """Where files lie unless they lie in a bucket."""
    return settings.data / "files"


def incoming_folder(settings: Settings) -> Path:
    """Where what is arriving lies until it is checked; beside the files, so that a rename is enough."""
    return settings.data / "files" / "incoming"
