"""Archives are unpacked inside their folder, whole, once, or not at all."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from climbench.errors import UserError
from climbench.recipes.schema import Files
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
    with pytest.raises(UserError, match=r"a.tar.gz is cut short or damaged"):
        members(str(path), "a.tar.gz", EVERYTHING, tmp_path / "unpacked")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.tar.gz"]


def test_what_is_no_archive_is_none(tmp_path: Path) -> None:
    (tmp_path / "page.tar.gz").write_text("<html>not found</html>")
    assert not is_archive(str(tmp_path / "page.tar.gz"))
    assert not is_archive(str(tmp_path / "absent.tar.gz"))
    assert not is_archive("https://example.org/a.tar.gz")
    assert is_archive(str(tar(tmp_path / "a.tar.gz", ("one.nc", b"1"))))
