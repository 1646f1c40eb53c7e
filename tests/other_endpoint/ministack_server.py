"""Runs ministack until standard input ends: it goes with the test that started it, however that ended."""
import os
import sys
import threading

from ministack.app import main


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
main()
