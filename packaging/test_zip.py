"""python3 -m unittest discover packaging"""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import tempfile
import unittest
import zipfile

LOADER = importlib.machinery.SourceFileLoader("packing", str(pathlib.Path(__file__).with_name("zip")))
packing = importlib.util.module_from_spec(importlib.util.spec_from_loader("packing", LOADER))
LOADER.exec_module(packing)

TEMPLATE = "Resources:\n  One:\n    Properties:\n      CodeUri: One\n  Two:\n    Properties:\n      CodeUri: Two\n"


class Zips(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def built(self, name, files, mode=0o755, time=1_000_000_000):
        """A build directory with one function, its files written in this order."""
        build = self.root / name
        for path, content in files:
            file = build / "One" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(mode)
            os.utime(file, (time, time))
        (build / "template.yaml").write_text(TEMPLATE)
        return build

    def packed(self, build):
        with contextlib.redirect_stdout(io.StringIO()):
            packing.pack_functions(build)
        return (build / "One.zip").read_bytes()

    def test_same_files_make_the_same_bytes(self):
        files = [("bootstrap", bytes(range(256)) * 400), ("data/b", b"b"), ("data/a", b"a")]
        first = self.packed(self.built("first", files))
        later = self.packed(self.built("later", files[::-1], mode=0o775, time=1_700_000_000))
        self.assertEqual(first, later)

    def test_packing_again_changes_nothing(self):
        build = self.built("build", [("bootstrap", b"x")])
        first = self.packed(build)
        template = (build / "template.yaml").read_text()
        self.assertEqual((first, template), (self.packed(build), (build / "template.yaml").read_text()))

    def test_other_files_make_other_bytes(self):
        one = self.packed(self.built("one", [("bootstrap", b"1")]))
        self.assertNotEqual(one, self.packed(self.built("two", [("bootstrap", b"2")])))
        self.assertNotEqual(one, self.packed(self.built("three", [("bootstrap", b"1")], mode=0o644)))

    def test_lambda_can_run_what_is_packed(self):
        build = self.built("build", [("bootstrap", b"#!/bin/sh")])
        self.packed(build)
        with zipfile.ZipFile(build / "One.zip") as archive:
            info = archive.getinfo("bootstrap")
            self.assertEqual((archive.read(info), info.external_attr >> 16), (b"#!/bin/sh", 0o100755))

    def test_the_template_names_the_zips_of_what_was_built(self):
        build = self.built("build", [("bootstrap", b"x")])
        self.packed(build)
        expected = TEMPLATE.replace("CodeUri: One\n", "CodeUri: One.zip\n")
        self.assertEqual((build / "template.yaml").read_text(), expected)

    def test_a_directory_that_no_function_names_is_refused(self):
        build = self.built("build", [("bootstrap", b"x")])
        (build / "template.yaml").write_text("Resources: {}\n")
        with self.assertRaises(SystemExit):
            self.packed(build)


if __name__ == "__main__":
    unittest.main()
