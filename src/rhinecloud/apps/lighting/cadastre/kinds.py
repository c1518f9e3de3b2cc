"""What a cadastre is made of, in the order in which it is taken in: each kind names only what came before it."""

from __future__ import annotations

from typing import Final

import msgspec

from rhinecloud.app import Text


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of file. `mapping` is that of the import; `names`: attribute → type of the entity that it names, which has
    to be there; `powers`: attributes in watts; `columns` (name, what it says), the first is needed always, and so are
    those in `needed`; `given`: values of a new entity that the file need not have; `updates`: of entities that are
    there already."""

    key: str
    type: str
    title: Text
    mapping: str
    columns: tuple[tuple[str, Text], ...]
    needed: tuple[str, ...]
    names: tuple[tuple[str, str], ...] = ()
    powers: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()
    placed: bool = True
    updates: bool = False


_PLACE: Final = (
    ("x", ("Ostwert, oder Länge in Grad", "easting, or longitude in degrees")),
    ("y", ("Nordwert, oder Breite in Grad", "northing, or latitude in degrees")),
)
_NUMBER: Final = ("nummer", ("eindeutige Nummer", "unique number"))
_NAME: Final = ("bezeichnung", ("Bezeichnung", "name"))
_DISTRICT: Final = ("stadtteil", ("Stadtteil", "district"))
_SINCE: Final = ("in_betrieb_seit", ("Datum, 2019-05-31", "date, 2019-05-31"))
_MOST_POWER: Final = ("leistung_max_w", ("höchste Leistung in Watt", "highest power in watts"))

GROUPS: Final = Kind(
    key="groups",
    type="StreetlightGroup",
    title=("Schaltgruppen", "Switching groups"),
    mapping="lighting_groups",
    columns=(
        _NUMBER,
        _NAME,
        *_PLACE,
        _DISTRICT,
        ("stromkreis", ("Stromkreis", "circuit")),
    ),
    needed=("nummer", "bezeichnung", "x", "y"),
)
CABINETS: Final = Kind(
    key="cabinets",
    type="StreetlightControlCabinet",
    title=("Schaltschränke", "Control cabinets"),
    mapping="lighting_cabinets",
    columns=(
        _NUMBER,
        _NAME,
        *_PLACE,
        (
            "gruppen",
            ("Nummern ihrer Schaltgruppen, mit | dazwischen", "numbers of its groups, with | between"),
        ),
        (
            "betriebsart",
            ("automatisch, manuell, teilautomatisch", "automatic, manual, partly (German words)"),
        ),
        ("seriennummer", ("Seriennummer", "serial number")),
        ("hersteller", ("Hersteller", "manufacturer")),
        _MOST_POWER,
        _SINCE,
        _DISTRICT,
    ),
    needed=("nummer", "x", "y", "gruppen"),
    names=(("refStreetlightGroup", "StreetlightGroup"),),
    powers=("maximumPowerAvailable",),
    given=(("workingMode", "automatic"),),
)
FEEDERS: Final = Kind(
    key="feeders",
    type="StreetlightFeeder",
    title=("Abgänge", "Feeders"),
    mapping="lighting_feeders",
    columns=(
        _NUMBER,
        ("schrank", ("Nummer des Schaltschranks", "number of the cabinet")),
        _NAME,
        *_PLACE,
        ("phase", ("L1, L2, L3 oder L1L2L3", "L1, L2, L3 or L1L2L3")),
        ("sicherung_a", ("Sicherung in Ampere", "fuse in amperes")),
        _MOST_POWER,
    ),
    needed=("nummer", "schrank"),
    names=(("refStreetlightControlCabinet", "StreetlightControlCabinet"),),
    powers=("maximumPowerAvailable",),
)
MODELS: Final = Kind(
    key="models",
    type="StreetlightModel",
    title=("Leuchtentypen", "Luminaire types"),
    mapping="lighting_models",
    columns=(
        _NUMBER,
        _NAME,
        ("leistung_w", ("Systemleistung in Watt", "power of the whole luminaire in watts")),
        _MOST_POWER,
        ("leistung_min_w", ("kleinste Leistung in Watt", "lowest power in watts")),
        ("hersteller", ("Hersteller", "manufacturer")),
        ("leuchte", ("Modell der Leuchte", "model of the luminaire")),
        ("technik", ("LED, HSE, HST, NAV, LPS", "LED, HSE, HST, NAV (sodium, high pressure), LPS")),
        ("lichtstrom_lm", ("Lichtstrom in Lumen", "luminous flux in lumens")),
        ("farbtemperatur_k", ("Farbtemperatur in Kelvin", "colour temperature in kelvins")),
        ("lebensdauer_h", ("Lebensdauer in Stunden", "working life in hours")),
        (
            "bauform",
            (
                "Mast, Mastaufsatz, Mastansatz, Poller, Hochmast, Zierleuchte, Schild, Blinklicht, mit | dazwischen",
                "lamppost, post top, side entry, bollard, light tower, … (German words), with | between",
            ),
        ),
    ),
    needed=("nummer", "bezeichnung", "leistung_w"),
    powers=("powerConsumption", "maxPowerConsumption", "minPowerConsumption"),
    placed=False,
)
LAMPS: Final = Kind(
    key="lamps",
    type="Streetlight",
    title=("Leuchten", "Lamps"),
    mapping="lighting_lamps",
    columns=(
        _NUMBER,
        _NAME,
        ("mast", ("Nummer des Mastes in der Straße", "number of the post in the street")),
        ("strasse", ("Straße", "street")),
        ("hausnummer", ("Hausnummer", "house number")),
        _DISTRICT,
        *_PLACE,
        ("schrank", ("Nummer des Schaltschranks", "number of the cabinet")),
        ("abgang", ("Nummer des Abgangs", "number of the feeder")),
        ("typ", ("Nummer des Leuchtentyps", "number of the luminaire type")),
        ("gruppe", ("Nummer der Schaltgruppe", "number of the switching group")),
        ("geraete", ("Kennungen der Geräte, die für sie sprechen", "ids of the devices that speak for it")),
        ("leistung_w", ("Leistung in Watt", "power in watts")),
        (
            "klasse",
            ("Klasse nach EN 13201-2: M1…M6, C0…C5, P1…P7", "class of EN 13201-2: M1…M6, C0…C5, P1…P7"),
        ),
        (
            "standort",
            (
                "Fahrbahn, Gehweg, Fußweg, Park, Garten, Parkplatz, Spielplatz, Brücke, Tunnel, Mittelinsel, Fassade",
                "road, sidewalk, path, park, garden, parking, playground, bridge, … (German words)",
            ),
        ),
        (
            "ueberweg",
            ("beleuchtet einen Fußgängerüberweg: ja, nein", "lights a pedestrian crossing: ja, nein"),
        ),
        ("zeichen_394", ("trägt Zeichen 394 (Laternenring): ja, nein", "carries sign 394: ja, nein")),
        ("hoehe_m", ("Lichtpunkthöhe in Metern", "height of the lantern in metres")),
        _SINCE,
    ),
    needed=("nummer", "x", "y"),
    names=(
        ("refStreetlightControlCabinet", "StreetlightControlCabinet"),
        ("feederID", "StreetlightFeeder"),
        ("refStreetlightModel", "StreetlightModel"),
        ("refStreetlightGroup", "StreetlightGroup"),
    ),
    powers=("powerRating",),
    given=(("status", "ok"),),
)
POLES: Final = Kind(
    key="poles",
    type="Streetlight",
    title=("Masten", "Posts"),
    mapping="lighting_poles",
    columns=(
        ("leuchte", ("Nummer der Leuchte", "number of the lamp")),
        ("mast", ("Nummer des Mastes", "number of the post")),
        ("hoehe_m", ("Lichtpunkthöhe in Metern", "height of the lantern in metres")),
        (
            "material",
            ("Stahl, Aluminium, Holz, Beton, Sonstiges", "steel, aluminium, wood, … (German words)"),
        ),
        ("aufgestellt", ("Datum", "date it was erected")),
        ("standsicher_geprueft", ("Datum der letzten Prüfung", "date its stability was checked")),
        ("zeichen_394", ("trägt Zeichen 394 (Laternenring): ja, nein", "carries sign 394: ja, nein")),
    ),
    needed=("leuchte", "mast"),
    placed=False,
    updates=True,
)

KINDS: Final = {kind.key: kind for kind in (GROUPS, CABINETS, FEEDERS, MODELS, LAMPS, POLES)}
