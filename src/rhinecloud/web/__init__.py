"""The shell of every page: layout, languages, live updates, the city map, and the built assets.

Offers `create_routes(city)`: the pages as one mount that a server puts behind its other routes (it answers whatever
they leave, with error pages of its own), `create_app(city)` for who needs the handle that ends live views, and for
the apps' pages `Renderer` (templates in the shell, both languages), `Live` and `Source` (server-sent events),
`PermittedRoute`, `actor_of` and `sight_of` (who may see what), `Navigation`, `Entry` and `Group` (where one can go:
`shell.navigation.add`) and `LAYERS` (how entity types look on the map).
"""

from .application import WebApp, create_app, create_routes
from .assets import NotBuilt
from .layers import LAYERS, Layer, Rule, State
from .live import Fragment, Live, Source, StreamRoute
from .navigation import Entry, Group, Navigation
from .rendering import Renderer
from .shell import City, Shell
from .sight import PermittedRoute, actor_of, sight_of

__all__ = [
    "LAYERS",
    "City",
    "Entry",
    "Fragment",
    "Group",
    "Layer",
    "Live",
    "Navigation",
    "NotBuilt",
    "PermittedRoute",
    "Renderer",
    "Rule",
    "Shell",
    "Source",
    "State",
    "StreamRoute",
    "WebApp",
    "actor_of",
    "create_app",
    "create_routes",
    "sight_of",
]
