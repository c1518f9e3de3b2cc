"""Payload profiles: from a topic and a payload to measurements. Documents, compiled once; pure but for `Profiles`.

It offers `Profiles` (all of a city, one object for each worker), `Profile`, and what they answer: `Mapped` with
`Measurement` and `Confirmation`, `Trial`, `Unmappable`, `ProfileError`.
"""

from rhinecloud.gateways.profiles.plain_json import Measurement, Unmappable, read
from rhinecloud.gateways.profiles.profile import Profile
from rhinecloud.gateways.profiles.profiles import Profiles
from rhinecloud.gateways.profiles.shapes import Confirmation, Finding, Kind, Mapped, ProfileError, Trial

__all__ = [
    "Confirmation",
    "Finding",
    "Kind",
    "Mapped",
    "Measurement",
    "Profile",
    "ProfileError",
    "Profiles",
    "Trial",
    "Unmappable",
    "read",
]
