"""``--requests-out`` and ``--telemetry-out``: what a simulation leaves in files, written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import IO, cast

from pydantic import JsonValue

from glia_tui.commands.output import CommandError

REQUEST_FORMATS = (".csv", ".parquet")
TELEMETRY_FORMATS = (".csv", ".json")


def checked_output(option: str, path: Path | None, formats: Sequence[str]) -> Path | None:
    """``path``, once it can be hoped that a file can be written there. Raises :class:`CommandError`."""
    if path is None:
        return None
    if path.suffix.lower() not in formats:
        raise CommandError(f"{option} {path}: the name must end in {' or '.join(formats)}.")
    if path.is_dir():
        raise CommandError(f"{option} {path}: that is a folder; name a file.")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"{option} {path}: there is no folder {path.absolute().parent}; make it first.")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise CommandError(f"{option} {path}: Parquet needs pyarrow (pip install pyarrow); or end the name in .csv.")
    return path


def check_distinct(files: Mapping[str, Path | None]) -> None:
    """No two options name one file, whatever way: nothing is overwritten by another or read while it is written.

    ``files``: by option. Raises :class:`CommandError`.
    """
    by_place: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        place = path.resolve()
        if place in by_place:
            raise CommandError(f"{by_place[place]} and {option} name one file, {path}: give each its own.")
        by_place[place] = option


@contextmanager
def parts_beside(path: Path | None) -> Iterator[Path | None]:
    """A folder for the workers' parts of a file, on the same disk, gone afterwards."""
    if path is None:
        yield None
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix=".glia-", dir=path.absolute().parent))
    except OSError as error:
        raise CommandError(f"Can't write {path}: {error.strerror}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_requests(path: Path, parts: Mapping[int, Path]) -> None:
    """The per-request table: the seeds' parts one after the other, with a column ``seed`` if there are several."""
    from sessions.request_table import read_requests

    several = len(parts) > 1
    tables = (
        _with_seed(table, seed if several else None) for seed, part in parts.items() for table in read_requests(part)
    )
    if path.suffix.lower() == ".parquet":
        _write_parquet(path, tables)
        return
    with _whole(path) as file:
        for index, table in enumerate(tables):
            if not index:
                file.write(",".join(table) + "\n")
            columns = [_as_text(name, column) for name, column in table.items()]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))


def write_telemetry(path: Path, by_seed: Mapping[int, Mapping[str, JsonValue]]) -> None:
    """The recorded series: as JSON by seed, or one row a sample with a column a series (and replica)."""
    with _whole(path) as file:
        if path.suffix.lower() == ".json":
            document = [{"seed": seed, **telemetry} for seed, telemetry in by_seed.items()]
            json.dump(document if len(document) > 1 else document[0], file, allow_nan=False)
            file.write("\n")
            return
        writer = csv.writer(file, lineterminator="\n")
        for index, (seed, telemetry) in enumerate(by_seed.items()):
            header, rows = _sample_rows(telemetry)
            own = [seed] if len(by_seed) > 1 else []
            if not index:
                writer.writerow([*(["seed"] if own else []), *header])
            writer.writerows([*own, *row] for row in rows)


def _sample_rows(telemetry: Mapping[str, JsonValue]) -> tuple[list[str], Iterator[list[JsonValue]]]:
    """``t_s`` and every series, named with its unit and, if it has one, its replica."""
    header, columns = ["t_s"], [cast("list[JsonValue]", telemetry["t_s"])]
    series = cast("Mapping[str, Mapping[str, JsonValue]]", telemetry["series"])
    for name, one in series.items():
        values = cast("list[JsonValue]", one["values"])
        if not one["per_replica"]:
            header.append(f"{name} [{one['unit']}]")
            columns.append(values)
            continue
        for replica in range(cast(int, telemetry["replicas"])):
            header.append(f"{name}{{replica={replica}}} [{one['unit']}]")
            columns.append([cast("list[JsonValue]", row)[replica] for row in values])
    return header, (list(row) for row in zip(*columns, strict=True))


def _with_seed(table: Mapping[str, Sequence[object]], seed: int | None) -> dict[str, Sequence[object]]:
    return dict(table) if seed is None else {"seed": [seed] * len(table["id"]), **table}


def _as_text(name: str, column: Sequence[object]) -> list[str]:
    """Cells of a CSV file: nothing for None, times to the nanosecond."""
    if name.endswith("_s"):
        return ["" if value is None else f"{value:.9f}" for value in column]
    return ["" if value is None else str(value) for value in column]


def _write_parquet(path: Path, tables: Iterator[dict[str, Sequence[object]]]) -> None:
    import pyarrow
    import pyarrow.parquet

    beside = _beside(path)
    writer = None
    try:
        for table in tables:
            schema = pyarrow.schema([(name, _arrow_type(pyarrow, name)) for name in table])
            writer = writer or pyarrow.parquet.ParquetWriter(beside, schema)
            writer.write_table(pyarrow.table(dict(table), schema=schema))
        if writer is not None:
            writer.close()
        os.replace(beside, path)
    except OSError as error:
        raise CommandError(f"Can't write {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _arrow_type(pyarrow: ModuleType, name: str) -> object:
    """By its name: a column of one part may hold nothing at all."""
    if name in ("pool", "outcome"):
        return pyarrow.string()
    return pyarrow.float64() if name.endswith("_s") else pyarrow.int64()


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A file that takes its name when it is complete."""
    beside = _beside(path)
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(beside, path)
    except OSError as error:
        raise CommandError(f"Can't write {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _beside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.name}.{os.getpid()}.part")
