import contextlib
import hashlib
import http.server
import threading
import zipfile

import pytest

from musejax import errors
from musejax.corpora import download

CONTENT = b"notes " * 50_000


@contextlib.contextmanager
def served(body, promised=None):
    """A server on the loopback that answers every request with a body, perhaps promising more than it sends."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/set.bin", asked
        finally:
            server.shutdown()
            thread.join()


def entry(url, content=CONTENT):
    return download.Entry("set.bin", url, hashlib.sha256(content).hexdigest(), len(content))


def test_a_download_is_kept(own_cache, no_data, capsys):
    with served(CONTENT) as (url, asked):
        first = download.fetch(entry(url))
        assert download.fetch(entry(url)) == first
    assert asked == ["/set.bin"]
    assert first.read_bytes() == CONTENT
    assert [p.name for p in own_cache.iterdir()] == ["set.bin"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("body", "promised", "said"),
    [
        (CONTENT[:1000], len(CONTENT), "cannot be downloaded|bytes where"),
        (CONTENT[:1000], None, "1000 bytes where 300000 were expected"),
        (CONTENT[:-1] + b"!", None, "SHA-256"),
    ],
)
def test_a_bad_download_leaves_nothing(own_cache, no_data, body, promised, said):
    with served(body, promised) as (url, _), pytest.raises(errors.UserError, match=said) as e:
        download.fetch(entry(url))
    assert url in str(e.value)
    assert "MUSEJAX_DATA" in str(e.value)
    assert "\n" not in str(e.value)
    assert list(own_cache.iterdir()) == []


def test_no_network_is_one_line(own_cache, no_data):
    with served(b"") as (url, _):
        pass  # Nobody listens there any more.
    with pytest.raises(errors.UserError, match="cannot be downloaded") as e:
        download.fetch(entry(url))
    assert all(word in str(e.value) for word in (url, "set.bin", "MUSEJAX_DATA"))
    assert list(own_cache.iterdir()) == []


def test_a_damaged_cached_file_is_downloaded_again(own_cache, no_data):
    own_cache.mkdir()
    (own_cache / "set.bin").write_bytes(b"half")
    with served(CONTENT) as (url, _):
        assert download.fetch(entry(url)).read_bytes() == CONTENT


def test_the_data_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSEJAX_DATA", str(tmp_path))
    (tmp_path / "set.bin").write_bytes(CONTENT)
    assert download.fetch(entry("http://127.0.0.1:1/")) == tmp_path / "set.bin"
    (tmp_path / "set.bin").write_bytes(b"another file")
    with pytest.raises(errors.UserError, match="set.bin: 12 bytes where"):
        download.fetch(entry("http://127.0.0.1:1/"))


def packed(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files:
            archive.writestr(name, data)


def test_an_archive_is_known_by_its_members(tmp_path):
    a, b = tmp_path / "a.zip", tmp_path / "b.zip"
    packed(a, [("S/1/1.mid", b"one"), ("S/2/2.mid", b"two")])
    packed(
        b,
        [("repo/S/2/2.mid", b"two"), ("repo/README", b""), ("repo/S/1/1.mid", b"one"), ("repo/S/1/old/1.mid", b"0")],
        compression=zipfile.ZIP_DEFLATED,
    )
    sha = hashlib.sha256()
    for name, data in (("1", b"one"), ("2", b"two")):
        sha.update(name.encode() + hashlib.sha256(data).digest())
    wanted = download.Entry("a.zip", "", sha.hexdigest(), members=r"(?:[^/]+/)?S/(\d)/\1\.mid")
    assert wanted.fault(a) is None
    assert wanted.fault(b) is None
    packed(b, [("S/1/1.mid", b"one"), ("S/2/2.mid", b"three")])
    assert "SHA-256" in wanted.fault(b)
    b.write_bytes(b"no zip")
    assert "zip" in wanted.fault(b)
