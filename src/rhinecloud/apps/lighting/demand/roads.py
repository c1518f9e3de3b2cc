"""The road graph: ways cut where they meet, and lamps projected onto them. Distances are metres along the road."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import shapely

from rhinecloud.app import Text

Position = tuple[float, float]  # degrees east, degrees north
Sense = Literal[1, -1]  # with the edge's points, or against them

WITHIN = 40.0
"""Metres from a road within which a lamp belongs to it."""

_ANOTHER_STREET = 30.0  # metres that a road of another name seems further away than it is
_TURN = math.cos(math.radians(50))  # a way that bends more than this at a crossing is turned into
_METRES_A_DEGREE = 111_195.0  # of latitude, on the sphere of 6,371 km
_SAME = 7  # decimals of a degree (1 cm) by which two points of ways are one node


class Way(msgspec.Struct, frozen=True):
    """A street's course as a map has it. Ways meet where they share a point: a bridge over a street shares none."""

    points: tuple[Position, ...]
    name: str = ""
    oneway: bool = False


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a feature of the map, by its place in the list (from 0)."""

    feature: int
    message: Text


class Edge(msgspec.Struct, frozen=True):
    """A stretch between two nodes, with no junction in between. `line` in metres of the graph's plane."""

    start: int
    end: int
    line: tuple[Position, ...]
    length: float
    name: str
    oneway: bool

    def heading(self, at_end: bool, sense: Sense) -> Position:
        """Unit vector of travel in this sense, at its start or end."""
        first, second = (self.line[-2], self.line[-1]) if at_end else (self.line[0], self.line[1])
        x, y = (second[0] - first[0]) * sense, (second[1] - first[1]) * sense
        size = math.hypot(x, y)
        return x / size, y / size


class Stretch(msgspec.Struct, frozen=True):
    """A part of an edge that is reached: `begin` is the distance travelled at its near end, `offset` where that is on
    the edge, `end` the distance at its far end. `aside`: behind a turn into another street."""

    edge: int
    sense: Sense
    offset: float
    begin: float
    end: float
    aside: bool


class Placed(msgspec.Struct, frozen=True):
    """Where points stand along the roads, each an array in the order of the points: the edge (−1: no road within
    `WITHIN`), the offset from its start and the distance from it in metres."""

    edge: npt.NDArray[np.int64]
    offset: npt.NDArray[np.float64]
    distance: npt.NDArray[np.float64]


class Roads:
    """The graph. Its plane is the equirectangular one around its middle: off by less than 0.1 % across a city."""

    def __init__(self, ways: Sequence[Way]) -> None:
        """Raises ValueError without any way of at least two different points."""
        kept = [(way, course) for way in ways if len(course := _course(way.points)) > 1]
        if not kept:
            raise ValueError("no way has two different points")
        courses = [course for _, course in kept]
        everything = np.array([point for course in courses for point in course])
        self._origin = everything.mean(axis=0)
        self._scale = np.array([math.cos(math.radians(self._origin[1])), 1.0]) * _METRES_A_DEGREE
        self.nodes: list[Position] = []
        self.edges: list[Edge] = []
        self._leaving: list[list[tuple[int, Sense]]] = []
        numbers: dict[Position, int] = {}
        junctions = _junctions(courses)
        for way, course in kept:
            cuts = [i for i, point in enumerate(course) if point in junctions or i in (0, len(course) - 1)]
            for first, last in zip(cuts, cuts[1:], strict=False):
                self._add(way, course[first : last + 1], numbers)
        self._tree = shapely.STRtree([shapely.LineString(edge.line) for edge in self.edges])

    def plane(self, points: Sequence[Position] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Metres east and north of the graph's middle, one row a point."""
        flat: npt.NDArray[np.float64] = (np.asarray(points, dtype=float) - self._origin) * self._scale
        return flat

    def place(self, points: Sequence[Position], streets: Sequence[str] = ()) -> Placed:
        """Project each point onto its road: the nearest one, where a road that is named as the point's street (case
        and blanks aside) is preferred to one that is up to 30 m nearer."""
        flat = self.plane(points) if len(points) else np.empty((0, 2))
        dots = shapely.points(flat)
        which, edges = self._tree.query(dots, predicate="dwithin", distance=WITHIN)
        lines = self._tree.geometries
        distance = shapely.distance(dots[which], lines[edges])
        strange = np.zeros(len(which))
        if len(streets):
            names = np.array([_plain(edge.name) for edge in self.edges], dtype=object)
            wanted = np.array([_plain(street) for street in streets], dtype=object)
            other = (wanted[which] != names[edges]) & (wanted[which] != "")
            strange = np.where(other, _ANOTHER_STREET, 0.0)
        order = np.lexsort((edges, distance + strange, which))
        which, first = np.unique(which[order], return_index=True)
        chosen = order[first]
        edge = np.full(len(points), -1, dtype=np.int64)
        offset, away = np.zeros(len(points)), np.full(len(points), np.inf)
        edge[which] = edges[chosen]
        offset[which] = shapely.line_locate_point(lines[edges[chosen]], dots[which])
        away[which] = distance[chosen]
        return Placed(edge, offset, away)

    def sense(self, edge: int, offset: float, bearing: float) -> Sense:
        """The sense of an edge, at that offset, whose course is closer to `bearing` (degrees clockwise from north)."""
        line = self._tree.geometries[edge]
        near, far = (
            line.interpolate(max(0.0, offset - 1.0)),
            line.interpolate(min(self.edges[edge].length, offset + 1.0)),
        )
        angle = math.radians(bearing)
        along = (far.x - near.x) * math.sin(angle) + (far.y - near.y) * math.cos(angle)
        return 1 if along >= 0 else -1

    def ahead(self, edge: int, offset: float, sense: Sense, reach: float, aside: float) -> Iterator[Stretch]:
        """What a traveller there may come to within `reach` metres, and within `aside` metres behind a turn into
        another street; never back along the edge it came from. One-way streets are entered as they may be."""
        here = self.edges[edge]
        left = here.length - offset if sense == 1 else offset
        yield Stretch(edge, sense, offset, 0.0, min(left, reach), False)
        limit = reach
        queue: list[tuple[float, int, Sense, bool, float]] = []
        if left < limit:
            self._follow(queue, edge, sense, left, False, limit, aside)
        furthest: dict[tuple[int, Sense], float] = {}
        while queue:
            begin, number, way, turned, limit = heapq.heappop(queue)
            if limit <= furthest.get((number, way), 0.0):
                continue
            furthest[number, way] = limit
            length = self.edges[number].length
            begins = 0.0 if way == 1 else length
            yield Stretch(number, way, begins, begin, min(begin + length, limit), turned)
            if begin + length < limit:
                self._follow(queue, number, way, begin + length, turned, limit, aside)

    def _follow(
        self,
        queue: list[tuple[float, int, Sense, bool, float]],
        edge: int,
        sense: Sense,
        travelled: float,
        turned: bool,
        limit: float,
        aside: float,
    ) -> None:
        """Queue what continues at the far end of an edge."""
        here = self.edges[edge]
        node = here.end if sense == 1 else here.start
        others = [one for one in self._leaving[node] if one != (edge, -sense)]
        came = here.heading(at_end=sense == 1, sense=sense)
        for number, way in others:
            there = self.edges[number]
            goes = there.heading(at_end=way == -1, sense=way)
            bends = came[0] * goes[0] + came[1] * goes[1] < _TURN
            same = bool(here.name) and here.name == there.name
            turns = len(others) > 1 and bends and not same
            furthest = min(limit, travelled + aside) if turns and not turned else limit
            if travelled < furthest:
                heapq.heappush(queue, (travelled, number, way, turned or turns, furthest))

    def _add(self, way: Way, course: list[Position], numbers: dict[Position, int]) -> None:
        line = tuple((float(x), float(y)) for x, y in self.plane(course))
        length = sum(math.dist(a, b) for a, b in zip(line, line[1:], strict=False))
        ends = []
        for point, where in ((course[0], line[0]), (course[-1], line[-1])):
            if point not in numbers:
                numbers[point] = len(self.nodes)
                self.nodes.append(where)
                self._leaving.append([])
            ends.append(numbers[point])
        number = len(self.edges)
        self.edges.append(Edge(ends[0], ends[1], line, length, way.name, way.oneway))
        self._leaving[ends[0]].append((number, 1))
        if not way.oneway:
            self._leaving[ends[1]].append((number, -1))


def ways_of(features: Iterable[Any]) -> tuple[list[Way], list[Problem]]:
    """Ways of GeoJSON features (RFC 7946) with line geometry, as an extract of OpenStreetMap has them: `name`, and
    `oneway` as yes, true, 1 or −1 (against the points). Features of other geometry are passed over."""
    ways: list[Way] = []
    problems: list[Problem] = []
    for number, feature in enumerate(features):
        try:
            geometry, facts = feature["geometry"], feature.get("properties") or {}
            kind = geometry["type"]
            if kind not in ("LineString", "MultiLineString"):
                continue
            lines = [geometry["coordinates"]] if kind == "LineString" else geometry["coordinates"]
            for line in lines:
                points = tuple(_position(point) for point in line)
                if len(_course(points)) < 2:
                    raise ValueError
                oneway = str(facts.get("oneway") or "no").lower()
                points = points[::-1] if oneway == "-1" else points
                name = facts.get("name")
                one = oneway in ("yes", "true", "1", "-1")
                ways.append(Way(points, name if isinstance(name, str) else "", one))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            wrong = (
                "keine Linie aus mindestens zwei Punkten in Grad",
                "no line of at least two points in degrees",
            )
            problems.append(Problem(number, wrong))
    return ways, problems


def _position(point: Any) -> Position:
    lon, lat = float(point[0]), float(point[1])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError
    return lon, lat


def _course(points: Sequence[Position]) -> list[Position]:
    """Without points that repeat the one before."""
    rounded = [(round(lon, _SAME), round(lat, _SAME)) for lon, lat in points]
    return [point for i, point in enumerate(rounded) if i == 0 or point != rounded[i - 1]]


def _junctions(courses: list[list[Position]]) -> set[Position]:
    """Points that belong to several ways, or to one way twice."""
    seen: set[Position] = set()
    twice: set[Position] = set()
    for course in courses:
        for point in course:
            (twice if point in seen else seen).add(point)
    return twice


def _plain(name: str) -> str:
    return (
        "".join(name.casefold().split())
        .replace("straße", "str")
        .replace("strasse", "str")
        .replace("str.", "str")
    )
