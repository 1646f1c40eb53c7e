"""What a candidate in Python is asked, and how it answers: a line each."""

import os
import sys
import time

EXTENSIONS = {"jpeg": "jpg", "webp": "webp"}


def peak_kilobytes():
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("VmHWM"))


def serve(make):
    """`make(bytes, size, output)` returns the bytes of a thumbnail."""
    for line in sys.stdin:
        output, sizes, path, into = line.rstrip("\n").split("\t")
        try:
            before = time.process_time_ns()
            with open(path, "rb") as file:
                picture = file.read()
            made = [make(picture, int(size), output) for size in sizes.split(",")]
            now = time.process_time_ns()
            for size, thumbnail in zip(sizes.split(","), made):
                if into:
                    with open(os.path.join(into, f"{size}.{EXTENSIONS[output]}"), "wb") as file:
                        file.write(thumbnail)
            print(now - before, now, peak_kilobytes(), sum(map(len, made)), sep="\t", flush=True)
        except Exception as error:
            print("error", " ".join(str(error).split()), sep="\t", flush=True)
