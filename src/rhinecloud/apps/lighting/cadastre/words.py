"""Words of the cadastre, German and English."""

from __future__ import annotations

from typing import Final

from rhinecloud.app import Text

CATEGORIES: Final[dict[str, Text]] = {
    "road": ("Fahrbahn", "road"),
    "crossing": ("Fußgängerüberweg", "pedestrian crossing"),
    "sidewalk": ("Gehweg", "sidewalk"),
    "pedestrianPath": ("Fußweg", "pedestrian path"),
    "park": ("Park", "park"),
    "garden": ("Garten", "garden"),
    "parking": ("Parkplatz", "parking"),
    "playground": ("Spielplatz", "playground"),
    "bridge": ("Brücke", "bridge"),
    "tunnel": ("Tunnel", "tunnel"),
    "centralIsland": ("Mittelinsel", "central island"),
    "facade": ("Fassade", "facade"),
}
POWERS: Final[dict[str, Text]] = {
    "on": ("an", "on"),
    "bootingUp": ("startet", "starting"),
    "low": ("an, gering", "on, low"),
    "off": ("aus", "off"),
    "": ("keine Angabe", "not reported"),
}
STATUSES: Final[dict[str, Text]] = {
    "ok": ("in Ordnung", "in order"),
    "defectiveLamp": ("Leuchtmittel defekt", "defective lamp"),
    "brokenLantern": ("Leuchte defekt", "broken lantern"),
    "columnIssue": ("Mast", "column"),
    "other": ("andere Störung", "other trouble"),
    "": ("keine Angabe", "not reported"),
}
STATES: Final[dict[str, Text]] = {
    "on": ("an", "on"),
    "off": ("aus", "off"),
    "alarm": ("gestört", "out of order"),
    "silent": ("ohne Angabe", "not reported"),
}
FIELDS: Final[dict[str, Text]] = {
    "street": ("Straße", "street"),
    "district": ("Stadtteil", "district"),
    "group": ("Schaltgruppe", "switching group"),
    "planned": ("Gruppe der Planung", "group of planning"),
    "fault": ("Störung", "fault"),
    "model": ("Leuchtentyp", "luminaire type"),
    "cabinet": ("Schaltschrank", "cabinet"),
    "category": ("Standort", "location"),
    "text": ("Name oder Nummer", "name or number"),
    "state": ("Zustand", "state"),
    "area": ("Fläche", "area"),
}
