"""Files of a small cadastre, as a city's spreadsheet would give them."""

from __future__ import annotations

from typing import Final

FILES: Final = {
    "groups": """nummer;bezeichnung;x;y;stadtteil;stromkreis
G1;Königstraße;344500,0;5700000,0;Altstadt;7
G2;Hafenufer;344800;5700300;Ruhrort;
""",
    "cabinets": """nummer;bezeichnung;x;y;gruppen;betriebsart;leistung_max_w;in_betrieb_seit
S1;Schrank Königstraße;344500;5700000;G1|G2;automatisch;9000;2004-03-01
S2;Schrank Hafen;344800;5700300;G2;;;
""",
    "feeders": """nummer;schrank;bezeichnung;phase;sicherung_a
S1-A1;S1;Abgang 1;L1;25
S1-A2;S1;Abgang 2;L2;25
""",
    "models": """nummer;bezeichnung;leistung_w;leistung_max_w;hersteller;technik;lichtstrom_lm;bauform
T1;LED 48 W;48;52,5;Rheinlicht;LED;6200;Mastaufsatz|Mast
T2;NAV 100 W;114;;;NAV;10000;Mastansatz
""",
    "lamps": """nummer;bezeichnung;mast;strasse;stadtteil;x;y;schrank;abgang;typ;gruppe;\
leistung_w;klasse;standort;ueberweg;zeichen_394;hoehe_m;in_betrieb_seit
L1;Königstraße 1;1;Königstraße;Altstadt;344510;5700010;S1;S1-A1;T1;G1;48;M4;Fahrbahn;nein;ja;8;2019-05-31
L2;Königstraße 2;2;Königstraße;Altstadt;344540;5700012;S1;S1-A1;T1;G1;48;M4;Fahrbahn;ja;;8;
L3;;;Hafenufer;Ruhrort;344810;5700310;S1;S1-A2;T2;G2;114;P3;Fußweg;;;;
""",
    "poles": """leuchte;mast;hoehe_m;material;aufgestellt;standsicher_geprueft
L3;H-17;5,5;Stahl;1998-01-01;2024-06-30
""",
}
