"""Archives are unpacked inside their folder, whole, once, or not at all."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from climbench.errors import UserError
from climbench.recipes.schema import Files
from climbench.recipes.sources import archives
from climbench.recipes.sources.archives import is_archive, members

EVERYTHING = Files(kind="files", address="-", archive="*")


def tar(path: Path, *entries: tuple[str, bytes | str]) -> Path:
    """A tar.gz; a text as content makes a link to it."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in entries:
            one = tarfile.TarInfo(name)
            if isinstance(content, str):
                kind, _, one.linkname = content.partition(":")
                one.type = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}.get(
                    kind, tarfile.FIFOTYPE
                )
                archive.addfile(one)
            else:
                one.size = len(content)
                archive.addfile(one, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("../outside.nc", b"x", "path out of its folder"),
        ("inner/../../outside.nc", b"x", "path out of its folder"),
        ("/tmp/absolute.nc", b"x", "path out of its folder"),
        ("C:\\windows.nc", b"x", "path out of its folder"),
        ("..\\outside.nc", b"x", "path out of its folder"),
        ("link.nc", "symlink:/etc/passwd", "link or a device"),
        ("link.nc", "symlink:good.nc", "link or a device"),
        ("link.nc", "hardlink:good.nc", "link or a device"),
        ("pipe", "pipe:", "link or a device"),
    ],
)
def test_a_malicious_tar_leaves_nothing(
    tmp_path: Path, name: str, content: bytes | str, what: str
) -> None:
    path = tar(tmp_path / "evil.tar.gz", ("good.nc", b"good"), (name, content))
    with pytest.raises(UserError, match=f"evil.tar.gz is not unpacked.*{what}"):
        members(str(path), "evil.tar.gz", EVERYTHING, tmp_path / "unpacked")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["evil.tar.gz"]
    assert not Path("/tmp/absolute.nc").exists()


def test_a_malicious_zip_leaves_nothing(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.nc")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for bad, what in ((zipfile.ZipInfo("../outside.nc"), "path out"), (link, "link or")):
        path = tmp_path / "evil.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("good.nc", b"good")
            archive.writestr(bad, b"/etc/passwd")
        with pytest.raises(UserError, match=f"evil.zip is not unpacked.*{what}"):
            members(str(path), "evil.zip", EVERYTHING, tmp_path / "unpacked")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["evil.zip"]


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_an_archive_that_would_fill_the_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(archives, "HARMLESS", 2**21)
    monkeypatch.setattr(archives, "RATIO", 100)
    path, zeros = tmp_path / f"a.nc.{kind}", b"0" * 2**22
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.nc", zeros)
    else:
        tar(path, ("a.nc", zeros)) if kind == "tar" else path.write_bytes(gzip.compress(zeros))
    with pytest.raises(UserError, match=r"not unpacked.*more than 100 times as large"):
        members(str(path), path.name, EVERYTHING, tmp_path / "unpacked")
    assert not list((tmp_path / "unpacked").iterdir())


def test_what_the_disk_has_no_room_for_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar(tmp_path / "a.tar.gz", ("a.nc", b"1234"))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
    with pytest.raises(UserError, match=r"no space is left for .*unpacked: free some"):
        members(str(path), "a.tar.gz", EVERYTHING, tmp_path / "unpacked")


def zipped(*entries: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, one in entries:
            archive.writestr(name, one)
    return content.getvalue()


def test_an_archive_in_an_archive_is_opened_where_the_recipe_names_it(tmp_path: Path) -> None:
    inner = zipped(("folder/a.csv", b"1"), ("folder/b.txt", b"2"))
    path = tmp_path / "outer.zip"
    path.write_bytes(zipped(("inner.zip", inner), ("folder/c.csv", b"3")))
    chosen = Files(kind="files", address="-", archive=["*.zip/*.csv", "folder/*.csv"])
    found = members(str(path), "outer.zip", chosen, tmp_path / "unpacked")
    names = ["outer.zip/inner.zip/folder/a.csv", "outer.zip/folder/c.csv"]
    assert [name for name, _ in found] == names
    assert [Path(one).read_bytes() for _, one in found] == [b"1", b"3"]
    again = members(str(path), "outer.zip", chosen, tmp_path / "unpacked")
    assert again == found
    assert [name for name, _ in members(str(path), "o", EVERYTHING, tmp_path / "unpacked")] == [
        "o/folder/c.csv",
        "o/inner.zip",
    ]
    with pytest.raises(UserError, match=r"outer.zip/inner.zip has no member \*.nc"):
        lacking = Files(kind="files", address="-", archive="inner.zip/*.nc")
        members(str(path), "outer.zip", lacking, tmp_path / "unpacked")


def test_a_malicious_archive_in_an_archive_leaves_nothing_outside(tmp_path: Path) -> None:
    path = tmp_path / "outer.zip"
    path.write_bytes(zipped(("inner.zip", zipped(("../../../outside.csv", b"1")))))
    chosen = Files(kind="files", address="-", archive="inner.zip/*")
    with pytest.raises(UserError, match=r"outer.zip/inner.zip is not unpacked.*path out of its"):
        members(str(path), "outer.zip", chosen, tmp_path / "unpacked")
    assert sorted(p.name for p in tmp_path.rglob("*.*") if p.is_file()) == [
        "inner.zip",
        "outer.zip",
    ]


def test_members_are_found_by_name_and_by_pattern(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", ("x/1.nc", b"1"), ("x/2.nc", b"2"), ("top.nc", b"3"))
    chosen = Files(kind="files", address="-", archive=["top.nc", "x/*.nc"])
    found = members(str(path), "a.tar.gz", chosen, tmp_path / "unpacked")
    assert [name for name, _ in found] == ["a.tar.gz/top.nc", "a.tar.gz/x/1.nc", "a.tar.gz/x/2.nc"]
    assert Path(found[1][1]).read_bytes() == b"1"


def test_unpacked_once_and_again_when_the_archive_changes(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", ("one.nc", b"old"))
    ((_, first),) = members(str(path), "a", EVERYTHING, tmp_path / "unpacked")
    before = Path(first).stat().st_mtime_ns
    assert members(str(path), "a", EVERYTHING, tmp_path / "unpacked")[0][1] == first
    assert Path(first).stat().st_mtime_ns == before
    tar(path, ("one.nc", b"a longer new content"))
    ((_, second),) = members(str(path), "a", EVERYTHING, tmp_path / "unpacked")
    assert Path(second).read_bytes() == b"a longer new content"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def spoiled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [cut, spoiled])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    import random

    noise = random.Random(0).randbytes(200_000)
    path = tar(tmp_path / "a.tar.gz", ("one.nc", noise))
    damage(path)
    with pytest.raises(UserError, match=r"a.tar.gz is cut short or damaged: remove .*a.tar.gz and"):
        members(str(path), "a.tar.gz", EVERYTHING, tmp_path / "unpacked")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.tar.gz"]


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz"])
def test_the_beginning_of_an_archive_is_known_as_such(
    tmp_path: Path, kind: str, share: float
) -> None:
    import random

    noise = random.Random(0).randbytes(200_000)
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("one.nc", noise)
    else:
        (tmp_path / "one.nc").write_bytes(noise)
        with tarfile.open(path, f"w:{kind}") as archive:
            archive.add(tmp_path / "one.nc", "one.nc")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert is_archive(str(path))
    with pytest.raises(UserError, match=f"is cut short or damaged: remove {path} and fetch it"):
        members(str(path), path.name, EVERYTHING, tmp_path / "unpacked")


def test_what_is_no_archive_is_none(tmp_path: Path) -> None:
    (tmp_path / "page.tar.gz").write_text("<html>not found</html>")
    assert not is_archive(str(tmp_path / "page.tar.gz"))
    assert not is_archive(str(tmp_path / "absent.tar.gz"))
    assert not is_archive("https://example.org/a.tar.gz")
    assert is_archive(str(tar(tmp_path / "a.tar.gz", ("one.nc", b"1"))))
