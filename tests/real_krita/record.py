"""Write the outcome of one Krita version into a JSON file: record.py FILE WANTED ROOT JUNIT_XML."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_krita.harness import OUTPUT, krita_version


def versions_met(krita: str) -> dict[str, str]:
    """What the probes said they ran in."""
    for result in sorted((OUTPUT / f"krita-{krita}").glob("*/result.json")):
        found: dict[str, str] = json.loads(result.read_text(encoding="utf-8"))["versions"]
        return found
    return {"krita": krita}


def commit(record: Path) -> str:
    """The commit that was tested; of the versions before this one ``record`` itself has changed."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    others = ["git", "status", "--porcelain", "--", ".", f":!{record}"]
    changed = subprocess.run(others, capture_output=True, text=True, check=True)
    return done.stdout.strip() + (" and uncommitted changes" if changed.stdout.strip() else "")


def main(file: Path, wanted: str, root: str, report: Path) -> int:
    os.environ["NST_KRITA_ROOT"] = root
    suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        print(f"{report} holds no test suite", file=sys.stderr)
        return 1
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    record[wanted] = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(file),
        **versions_met(krita_version()),
        **counts,
        "seconds": round(float(suite.attrib["time"])),
    }
    file.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n", encoding="utf-8")
    print(f"{file}: Krita {wanted}: {counts}")
    return 0 if counts["tests"] and not any(counts[name] for name in ("failures", "errors", "skipped")) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
