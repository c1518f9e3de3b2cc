"""Reference pages that are made from the code: `scripts/reference.py permissions > docs/reference/permissions.md`."""

from __future__ import annotations

import sys

from rhinecloud.people.permissions import PERMISSIONS
from rhinecloud.people.roles import CITIZEN, ROLES

_HEAD = """\
# Permissions

Every route, page and topic names one permission; who lacks it is refused. A role is a set of them, in an organisation;
an administrator has all, those of apps included. A token has those that it was given. Everybody has `public`. What
somebody reads of the graph is a matter of publishing and of grants, not of these.

| permission | whoever has it may | roles |
|---|---|---|
"""


def permissions() -> str:
    """The page of permissions. Those of apps are in their own documentation."""
    rows = []
    for one in PERMISSIONS:
        roles = [
            role.name
            for role in (*ROLES.values(), CITIZEN)
            if role.everything or one.name in role.permissions
        ]
        rows.append(f"| `{one.name}` | {one.english} | {', '.join(roles)} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write({"permissions": permissions}[sys.argv[1]]())
