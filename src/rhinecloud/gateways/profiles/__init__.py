"""Payload profiles: from a topic and a payload to measurements. Documents, compiled once; pure but for `Profiles`.

It offers `Profiles` (all of a city, one object for each worker), `Profile`, and what they answer: `Mapped` with
`Measurement` and `Confirmation`, `Trial`, `Unmappable`, `ProfileError`. The profiles of the program are the JSON files
in `built_in`.
"""

from .profile import Arrival, Profile
from .profiles import Catalogue, FixedProfiles, Profiles, arrival_of
from .shapes import (
    Confirmation,
    Finding,
    Kind,
    Mapped,
    Measurement,
    ProfileError,
    Trial,
    Unmappable,
)
from .times import Moments

__all__ = [
    "Arrival",
    "Catalogue",
    "Confirmation",
    "Finding",
    "FixedProfiles",
    "Kind",
    "Mapped",
    "Measurement",
    "Moments",
    "Profile",
    "ProfileError",
    "Profiles",
    "Trial",
    "Unmappable",
    "arrival_of",
]
