"""What the benchmarks share: programs on their cores, their CPU time, and figures with an interval."""

import json
import math
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# contenders run on the first core, load and counterparts on the second
CONTENDER, LOAD = "0", "1"

os.environ["PATH"] += ":/usr/sbin"


def need(*programs):
    packages = {"nginx": "nginx-light", "callgrind_control": "valgrind"}
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit("missing: apt-get install " + " ".join(packages.get(program, program) for program in missing))


def binary(profile="release"):
    """Builds the gateway and returns its path."""
    flags = {"release": ["--release"], "debug": []}[profile]
    subprocess.run(["cargo", "build", "--quiet", "--locked", "-p", "countersign-cli", *flags], cwd=ROOT, check=True)
    return TARGET / profile / "countersign"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Program:
    """A running program on one core; it ends with the `with` block."""

    def __init__(self, command, core=None, log=None, **options):
        pinned = ["taskset", "-c", core] if core else []
        self.log = open(log, "wb") if log else subprocess.DEVNULL
        self.process = subprocess.Popen([*pinned, *map(str, command)], stdin=subprocess.DEVNULL,
                                        stderr=self.log, **options)

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        """Seconds of CPU, user and system, of every thread."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                pass  # the thread has ended
        return total / 1e9

    def ticks(self):
        """Clock ticks in user mode and in the kernel: they tell what of `cpu` is whose, not how much it is."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]), int(fields[12])

    def anonymous_bytes(self):
        """Memory of its own, without mapped files."""
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no `Anonymous` in smaps_rollup")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.log is not subprocess.DEVNULL:
            self.log.close()


class Nginx(Program):
    def __init__(self, template, core, ports, **values):
        self.folder = tempfile.TemporaryDirectory()
        text = (HERE / template).read_text().replace("@FOLDER@", self.folder.name)
        for name, value in {**ports, **values}.items():
            text = text.replace(f"@{name}@", str(value))
        config = pathlib.Path(self.folder.name, "nginx.conf")
        config.write_text(text)
        log = pathlib.Path(self.folder.name, "log")
        super().__init__(["nginx", "-e", "stderr", "-p", self.folder.name, "-c", config], core, log)
        for name in [name for name in ("UPSTREAM", "PLAIN", "JOB") if f"@{name}@ backlog" in (HERE / template).read_text()]:
            wait_for(ports[name], self, log)

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.folder.cleanup()


class Gateway(Program):
    """`countersign run` with a configuration; `prefix` runs it under another program."""

    def __init__(self, program, config, core=None, prefix=(), workers=1):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        (folder / "secret").write_text("secret-of-the-gateway")
        (folder / "secret").chmod(0o600)
        path = folder / "gateway.toml"
        path.write_text(
            f'listen = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"\nstate_dir = "{folder}/state"\nworkers = {workers}\n'
            + config.replace("@SECRET@", str(folder / "secret")))
        super().__init__([*prefix, program, "run", "--config", path], core, folder / "log", stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the gateway did not start:\n" + (folder / "log").read_text(errors="replace"))
        self.address = json.loads(line)["listening"]

    def log_text(self):
        return pathlib.Path(self.folder.name, "log").read_text(errors="replace")

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.folder.cleanup()


def wait_for(port, program, log):
    for _ in range(500):
        if program.process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.01)
    sys.exit(f"nothing listens on port {port}:\n" + log.read_text(errors="replace"))


def get(address, path, session="bench-session-001-0123456789abcdef"):
    request = urllib.request.Request(f"http://{address}{path}", headers={"Cookie": f"SESSION={session}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def interval(values):
    """Median with its 95 % interval by order statistics: no assumption about the distribution."""
    ordered = sorted(values)
    count = len(ordered)
    # the widest k with P(fewer than k of count values below the median) <= 2.5 %
    below, total = 0, 0.0
    while True:
        total += math.comb(count, below) / 2**count
        if total > 0.025:
            break
        below += 1
    low = max(below - 1, 0)
    return statistics.median(ordered), ordered[low], ordered[count - 1 - low]


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release()}, {nginx}"


def commit():
    answer = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"


def keep(name, figures):
    """Writes raw figures to bench/results/ and rewrites bench/RESULTS.md from all of them."""
    (HERE / "results").mkdir(exist_ok=True)
    figures = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "commit": commit(), **figures}
    (HERE / "results" / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    import report
    report.write()
