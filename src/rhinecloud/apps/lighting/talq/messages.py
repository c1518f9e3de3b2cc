"""What is said in TALQ 2.7.1 of devices, services and loggers, as far as the lighting profile goes.

Names are those of the data model (`talq-data-model-2-7-1`). What a vendor adds to a message is allowed and passed over;
devices, whose functions are open, are kept whole and judged in `functions`.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from .base import Document, Identifier, Level, Message, ResourceReference
from .schedules import ActivePeriod

# Loggers and their reports


class AddressList(Message, frozen=True):
    """What is meant: the white list without the black one; only a black one: all but those (data model)."""

    white_list: list[ResourceReference] | None = None
    black_list: list[ResourceReference] | None = None


class NameList(Message, frozen=True):
    """As AddressList, for names of events."""

    white_list: list[str] | None = None
    black_list: list[str] | None = None


class LoggedAttribute(Message, frozen=True):
    """An attribute, told when it changed by more than so many percent."""

    name: str
    on_change_threshold: Level | None = None


class LoggedFunction(Message, frozen=True):
    """Attributes of a function, by its id or of all of its type."""

    function_id: str | None = None
    function_type: str | None = None
    attributes: list[LoggedAttribute] = []


class LoggedContent(Message, frozen=True):
    """A function, or its attributes of one scope."""

    function: LoggedFunction
    attribute_scope: Literal["configuration", "measurement", "event", "operational"] | None = None


class SamplingProfile(Message, frozen=True):
    """When samples are taken; `sampling_period` as an ISO 8601 duration."""

    sampling_start_time: datetime
    sampling_period: Annotated[str, Meta(pattern=r"^P(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$")] | None = None
    sampling_end_time: datetime | None = None


class VendorRecordingMode(Message, frozen=True, tag_field="type", tag="VendorRecordingMode"):
    """When the gateway thinks it right; no `content`: everything."""

    content: list[LoggedContent] | None = None
    active_periods: list[ActivePeriod] = []


class PeriodicRecordingMode(Message, frozen=True, tag_field="type", tag="PeriodicRecordingMode"):
    """By the clock."""

    content: list[LoggedContent]
    sampling_profiles: list[SamplingProfile]
    active_periods: list[ActivePeriod] = []


class EventRecordingMode(Message, frozen=True, tag_field="type", tag="EventRecordingMode"):
    """Events, as they happen."""

    source_events: NameList
    active_periods: list[ActivePeriod] = []


class ImmediateReportingMode(Message, frozen=True, tag_field="type", tag="ImmediateReportingMode"):
    """So many seconds after something was recorded."""

    delay: Annotated[int, Meta(ge=0)]
    number_of_retries: int = 3


class ScheduledReportingMode(Message, frozen=True, tag_field="type", tag="ScheduledReportingMode"):
    """At times of the day, plus up to so many seconds by chance."""

    times: list[time]
    random_time: int | None = None
    number_of_retries: int = 3


class LoggerConfig(Message, frozen=True):
    """What is recorded of whom, and when it is reported."""

    address: Identifier
    owner_cms: str = msgspec.field(name="ownerCMS")
    source_addresses: AddressList | None = None
    recording_mode: VendorRecordingMode | PeriodicRecordingMode | EventRecordingMode | None = None
    reporting_mode: ImmediateReportingMode | ScheduledReportingMode | None = None


class AttributeLogData(Message, frozen=True, tag_field="type", tag="AttributeLogData"):
    """A value. `src_address` is `{device}` or `{device}/{functionId}`."""

    src_address: str
    attribute_name: str
    attribute_value: Document
    timestamp: datetime | None = None


class EventLogData(Message, frozen=True, tag_field="type", tag="EventLogData"):
    """Something happened, began (`start_end_flag`) or ended."""

    src_address: str
    event_type: str
    timestamp: datetime | None = None
    start_end_flag: bool | None = None


class StateChangeEventLogData(Message, frozen=True, tag_field="type", tag="StateChangeEventLogData"):
    """An actuator's state changed; read, and left to the attribute that says the new one."""

    src_address: str
    timestamp: datetime | None = None


class LogEntry(Message, frozen=True):
    """An entry of a report."""

    data: AttributeLogData | EventLogData | StateChangeEventLogData
    cms_ref_id: str | None = None


class LogReport(Message, frozen=True):
    """What a logger recorded since its last report."""

    address: str = ""
    entries: list[LogEntry] = []


# Devices, their classes, services


class Device(Message, frozen=True):
    """A device; each function is a document with `id`, `type` and its attributes."""

    address: UUID
    name: str
    class_: str = msgspec.field(name="class")
    functions: list[Document] = []


class DevicePatch(Message, frozen=True):
    """What changes of a device: its functions are matched by their ids (3.4, PATCH)."""

    address: UUID
    name: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    functions: list[Document] = []


class AttributeDesc(Message, frozen=True):
    """An attribute that a function of a class has."""

    name: str
    min_value: float | None = None
    max_value: float | None = None
    read_only: bool | None = None


class EventDesc(Message, frozen=True):
    """An event that a function of a class may tell."""

    type: str
    description: str | None = None


class FunctionDesc(Message, frozen=True):
    """A function that devices of a class have."""

    function_id: Identifier
    type: str
    attributes: list[AttributeDesc] = []
    events: list[EventDesc] = []
    vendor_attributes: list[Document] = []
    vendor_events: list[Document] = []


class DeviceClass(Message, frozen=True):
    """What devices of this name can do. What was announced may grow, and never shrinks (5.1)."""

    name: Identifier
    functions: list[FunctionDesc] = []


class Service(Message, frozen=True):
    """A service and its limits; those of control are read, others kept as they came."""

    name: Literal[
        "ConfigurationService",
        "ControlService",
        "DataCollectService",
        "GroupManagementService",
        "DataPackageService",
        "AssetManagementService",
        "DaliProtocolService",
    ]
    supported_profiles: list[str] = []
    devices_pagination_supported: bool = False
    supported_types: list[str] = []
    maximum_calendars: int | None = None
    maximum_programs: int | None = None
    max_programs_per_calendar: int | None = None
    max_switch_points_per_program: int | None = None
    max_active_periods_per_program: int | None = None
    day_offset: int = 0
    maximum_data_logs: int | None = None
    supported_modes: list[str] = []
    sampling_period_supported: bool | None = None
    commissioning_supported: bool | None = None
    maximum_number_of_groups: int | None = None
    maximum_group_size: int | None = None
