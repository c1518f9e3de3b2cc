"""Laws, recipients and ends that several declarations share."""

from __future__ import annotations

from typing import Final

from ..register import Retention, Text

PUBLIC_TASK: Final = "Art. 6 Abs. 1 Buchst. e DSGVO, § 3 Abs. 1 DSG NRW"
SECURITY: Final = "Art. 6 Abs. 1 Buchst. c DSGVO mit Art. 5 Abs. 2, Art. 32 DSGVO"
OPERATORS: Final[Text] = ("die mit dem Betrieb betrauten Beschäftigten", "staff who run the installation")
GONE: Final = "'person:0'"  # nobody: accounts are numbered from 1
WITH_ACCOUNT = Retention(("bis das Konto gelöscht wird", "until the account is deleted"), by="people")
WITH_DEVICE = Retention(("bis das Gerät entfernt wird", "until the device is removed"), by="gateways")
