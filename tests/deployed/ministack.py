"""A ministack for one run: on a free port of loopback, with authorization on, gone when the run ends."""
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

SERVER = pathlib.Path(__file__).resolve().parent.parent / "other_endpoint/ministack_server.py"
START = 60
# The account's root, whose secret is fixed.
KEY = "test"


class Ministack:
    def __init__(self, directory, region, smtp_address):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # What AWS's tools here, and ministack itself, are told.
        self.access = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
        }
        places = {name: str(directory) for name in ("HOME", "TMPDIR", "S3_DATA_DIR")}
        self.environment = {
            "PATH": os.environ["PATH"],
            **places,
            # Functions inherit it, and find their services by it.
            **self.access,
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": region,
            "AUTH": "true",
            # Where it passes e-mails on to.
            "SMTP_HOST": smtp_address,
            # Listeners that nobody here needs.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        self.log = pathlib.Path(directory) / "ministack.log"

    def api(self, api_id):
        """Where an HTTP API answers: below a path, so that no name has to be resolved."""
        return f"{self.url}/_aws/execute-api/{api_id}/$default"

    @contextlib.contextmanager
    def running(self):
        with open(self.log, "w") as log:
            # It ends with its input, so with this process, however that ended; and a session of its own has its functions
            # end with it.
            streams = {"stdin": subprocess.PIPE, "stdout": log, "stderr": log, "start_new_session": True}
            command = [sys.executable, SERVER]
            process = subprocess.Popen(command, env=self.environment, cwd=self.log.parent, **streams)
            try:
                self.wait_until_ready(process)
                yield
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()

    def wait_until_ready(self, process):
        deadline = time.monotonic() + START
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                if urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=2).status == 200:
                    return
            time.sleep(0.1)
        raise SystemExit(f"ministack does not start:\n{self.log.read_text()}")
