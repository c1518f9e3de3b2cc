"""What an operator may set: RHINECLOUD_PARTICIPATION_… (docs/reference/participation-proposals.md)."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """The city promises to answer a proposal within `answer_days`; those that were received before keep the day that
    was promised to them."""

    answer_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 28
