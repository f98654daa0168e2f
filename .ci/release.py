"""What a release holds, made of the built book in `_build/release`: `release.py [--tag vX.Y.Z]`.

    vgf-companion-X.Y.Z.tar.gz          everything, for an archive that gives a DOI: the source, the site, the PDFs,
                                        executed chapters, figures, all records, and the checksum of each file
    vgf-companion-X.Y.Z-site.zip        the site alone, to be read from a disk
    vgf-companion-X.Y.Z-records.tar.gz  records, experiment files, the paper's numbers and tables
    vgf-companion-X.Y.Z.pdf             the book
    codemeta.json, CITATION.cff         what it is, for machines and for people
    SHA256SUMS                          of all of these

The same files give the same bytes: members are sorted, without owners, and dated as the commit. A tag is refused unless
the commit is clean and CITATION.cff, pyproject.toml and CHANGELOG.md name its version; without one the files are called
a draft. codemeta.json is made of CITATION.cff and pyproject.toml, by `release.py --codemeta`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
MADE = ("notebooks/*.ipynb", "data/figures/**/*", "data/results/*.quick/**/*", "data/tables/*.quick.*")  # not in git
LEFT_OUT = ("policy.safetensors",)  # weights of quick runs: as large as all the rest, made again in minutes
RECORDS = ("data/README.md", "data/datasets.json", "data/experiments/", "data/paper/", "data/results/", "data/tables/")
Members = Mapping[str, Path]


def main() -> None:
    """Write the release, or codemeta.json alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="", help="the tag this is the release of, vX.Y.Z; without it, a draft")
    parser.add_argument("--codemeta", action="store_true", help="only write codemeta.json anew from CITATION.cff")
    options = parser.parse_args()
    citation, project = read_sources()
    if options.codemeta:
        (ROOT / "codemeta.json").write_text(codemeta_text(citation, project), encoding="utf-8")
        return
    changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    section = changes(citation["version"])
    if faults := disagreements(citation, project, section, options.tag, changed):
        fail("; ".join(faults))
    name = f"{project['name']}-{citation['version']}{'' if options.tag else '-draft'}"
    files = members()
    book = BUILD / "pdf" / "vgf-companion.pdf"
    if not (BUILD / "html" / "index.html").exists() or not book.exists():
        fail("the book and its PDFs are not built; `make release` builds them")
    if telling := [member for member, path in files.items() if names_this_machine(path)]:
        fail(f"{telling[0]} names the folder this was built in, {ROOT}; {len(telling)} files do")
    write_release(BUILD / "release", name, files, book, int(git("log", "-1", "--format=%ct") or 0))
    (BUILD / "release-notes.md").write_text(section.partition("\n")[2].strip() + "\n", encoding="utf-8")
    for path in sorted((BUILD / "release").iterdir()):
        print(f"  {path.name:<44} {path.stat().st_size / 1e6:8.1f} MB")
    print(f"Release: {(BUILD / 'release').relative_to(ROOT)}/, {len(files)} files in the archive")


def fail(reason: str) -> None:
    """Stop with one line and the status of bad input."""
    print(f"release: {reason}", file=sys.stderr)
    sys.exit(2)


def git(*arguments: str) -> str:
    """Return what git says of this checkout; empty outside one."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def read_sources() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return CITATION.cff, and the project's table of pyproject.toml."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return citation, tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def changes(version: str) -> str:
    """Return the section of CHANGELOG.md about a version, its heading first; empty if there is none."""
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return next((section for section in sections if section.split()[0] == str(version)), "")


def disagreements(
    citation: Mapping[str, Any], project: Mapping[str, Any], section: str, tag: str, changed: bool
) -> list[str]:
    """Return what stands against a release: versions that differ, and for a tag a missing date or changed files.

    Args:
        citation: CITATION.cff.
        project: the project's table of pyproject.toml.
        section: CHANGELOG.md on the version of CITATION.cff.
        tag: of the release; empty for a draft.
        changed: whether files in git have changes that are not committed.
    """
    version = str(citation["version"])
    found = []
    if project["version"] != version:
        found.append(f"pyproject.toml has version {project['version']}, CITATION.cff {version}")
    if not section:
        found.append(f"CHANGELOG.md has no section '## {version} (date)'")
    if tag:
        date = re.match(r"\S+ \((\d{4}-\d\d-\d\d)\)", section)
        if tag != f"v{version}":
            found.append(f"the tag is {tag}, the version {version}")
        if section and not date:
            found.append(f"CHANGELOG.md does not date {version}; write '## {version} (YYYY-MM-DD)'")
        if date and str(citation.get("date-released")) != date[1]:
            found.append(f"CITATION.cff needs 'date-released: {date[1]}', the date in CHANGELOG.md")
        if changed:
            found.append("files have changes that are not committed")
    return found


def codemeta_text(citation: Mapping[str, Any], project: Mapping[str, Any]) -> str:
    """Return codemeta.json as CITATION.cff and pyproject.toml have it."""
    paper = citation["preferred-citation"]
    content = {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": citation["title"],
        "identifier": project["name"],
        "description": citation["abstract"],
        "version": str(citation["version"]),
        "license": f"https://spdx.org/licenses/{citation['license']}",
        "author": [person(one) for one in citation["authors"]],
        "codeRepository": citation["repository-code"],
        "url": citation["url"],
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {project['requires-python']}",
        "softwareRequirements": project["dependencies"],
        "referencePublication": {
            "@type": "ScholarlyArticle",
            "name": paper["title"],
            "author": [person(one) for one in paper["authors"]],
            "datePublished": str(paper["year"]),
            "url": paper["url"],
        },
    }
    if "date-released" in citation:
        content["datePublished"] = str(citation["date-released"])
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def person(one: Mapping[str, str]) -> dict[str, str]:
    """Return an author of CITATION.cff in the words of schema.org."""
    if "name" in one:
        return {"@type": "Organization", "name": one["name"]}
    return {"@type": "Person", "givenName": one["given-names"], "familyName": one["family-names"]}


def members() -> dict[str, Path]:
    """Return what the archive holds, by its name there: files in git, what the book made, the site, the PDFs."""
    listed = [ROOT / name for name in git("ls-files").splitlines()]
    made = [path for pattern in MADE for path in ROOT.glob(pattern)]
    inside = [path for path in (*listed, *made) if path.is_file() and wanted(path)]
    found = {path.relative_to(ROOT).as_posix(): path for path in inside}
    for folder, source in (("site", BUILD / "html"), ("pdf", BUILD / "pdf")):
        found |= {f"{folder}/{p.relative_to(source).as_posix()}": p for p in source.rglob("*") if p.is_file()}
    return {name: path for name, path in found.items() if not name.startswith("site/_pdf/")}  # they are in pdf/


def wanted(path: Path) -> bool:
    """Say whether a file belongs into a release: no locks, no weights of quick runs."""
    quick = any(part.endswith(".quick") for part in path.parts)
    return not (quick and (path.name.startswith(".") or path.name in LEFT_OUT))


def names_this_machine(path: Path) -> bool:
    """Say whether a file tells the folder it was made in; compressed data are not looked into."""
    return f"{ROOT}/".encode() in path.read_bytes()


def write_release(out: Path, name: str, files: Members, book: Path, date: int) -> None:
    """Write all files of a release into `out`, which holds nothing else then; whole or not at all.

    Args:
        out: the folder, replaced.
        name: what the archives are called, and the folder in each.
        files: what the archive holds, by its name there.
        book: the book's PDF.
        date: of everything in the archives, seconds since 1970: that of the commit.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        sums = part / "SHA256SUMS"
        sums.write_text(checksums(files))
        write_tar(part / f"{name}.tar.gz", name, {**files, "SHA256SUMS": sums}, date)
        records = {n: p for n, p in files.items() if n.startswith(RECORDS)}
        write_tar(part / f"{name}-records.tar.gz", f"{name}-records", records, date)
        site = {n.removeprefix("site/"): p for n, p in files.items() if n.startswith("site/")}
        write_zip(part / f"{name}-site.zip", f"{name}-site", site, date)
        shutil.copyfile(book, part / f"{name}.pdf")
        for own in ("CITATION.cff", "codemeta.json"):
            shutil.copyfile(ROOT / own, part / own)
        sums.write_text(checksums({p.name: p for p in part.iterdir() if p != sums}))
        shutil.rmtree(out, ignore_errors=True)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def checksums(files: Members) -> str:
    """Return a line `SHA-256  name` for each file, as `sha256sum --check` reads it."""
    return "".join(f"{hashlib.sha256(files[n].read_bytes()).hexdigest()}  {n}\n" for n in sorted(files))


def write_tar(target: Path, folder: str, files: Members, date: int) -> None:
    """Write a tar.gz whose bytes depend on nothing but the files, their names and the date."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=date, fileobj=raw) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mtime, info.mode = files[name].stat().st_size, date, mode(files[name])
            with files[name].open("rb") as stream:
                archive.addfile(info, stream)


def write_zip(target: Path, folder: str, files: Members, date: int) -> None:
    """Write a zip whose bytes depend on nothing but the files, their names and the date."""
    when = time.gmtime(max(date, 315532800))[:6]  # a zip knows no time before 1980
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(f"{folder}/{name}", when)
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(info, files[name].read_bytes())


def mode(path: Path) -> int:
    """Return the permissions of a file in an archive: whether it can be executed, and nothing else of this machine."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


if __name__ == "__main__":
    main()
