"""Files that an app is given: checked, stored beside the data or in S3-compatible storage, served safely.

It offers `Files` (`receive` checks and stores, `keep` makes it a file in the caller's transaction, `remove`, `get`,
`of`, `read`), `receive_form` for forms, `answer` for responses, `Rules` and the kinds of files.
"""

from .checks import DOCUMENTS, IMAGES, KINDS, TABLES, Kind, Refused, Rules
from .files import Compute, File, Files, Upload, remove_of_app
from .forms import Form, receive_form
from .places import storage_of
from .serving import answer
from .storage import Missing, Storage, StorageFull, StorageUnavailable

__all__ = [
    "DOCUMENTS",
    "IMAGES",
    "KINDS",
    "TABLES",
    "Compute",
    "File",
    "Files",
    "Form",
    "Kind",
    "Missing",
    "Refused",
    "Rules",
    "Storage",
    "StorageFull",
    "StorageUnavailable",
    "Upload",
    "answer",
    "receive_form",
    "remove_of_app",
    "storage_of",
]
