"""Draws the JPEG files of this folder, which anyone may use for anything; needs Pillow, and cjpeg of libjpeg-turbo.

usage: make.py CJPEG
"""
import math
import pathlib
import random
import subprocess
import sys

from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).resolve().parent
WIDTH, HEIGHT = 163, 117
# Name, and how cjpeg is told to write it.
KINDS = [
    ("arithmetic", "-arithmetic"),
    ("baseline-411", "-sample 4x1"),
    ("baseline-420-restarts", "-sample 2x2 -restart 5B"),
    ("baseline-422-optimised", "-sample 2x1 -optimize"),
    ("baseline-440", "-sample 1x2"),
    ("baseline-444", "-sample 1x1"),
    ("baseline-grey", "-grayscale"),
    ("baseline-luma-below-chroma", "-sample 1x1,2x2,1x1"),
    ("baseline-mixed-sampling", "-sample 2x2,2x1,1x2"),
    ("baseline-three-scans", "-sample 2x2 -scans SCANS"),
    ("progressive-420", "-sample 2x2 -progressive"),
    ("progressive-420-restarts", "-sample 2x2 -progressive -restart 1"),
    ("progressive-444", "-sample 1x1 -progressive"),
    ("progressive-grey", "-grayscale -progressive"),
]


def picture():
    """Gradients, waves, edges, text and noise, which stay clear of black and white."""
    random.seed(5)
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            noise = random.gauss(0, 5)
            red = 90 + 60 * math.sin(x / 17) + 20 * math.sin((x * x + y * y) / 900)
            green = 110 + 50 * math.cos(y / 13) + 15 * math.sin(x / 3)
            blue = 120 + 50 * math.sin((x + y) / 23)
            image.putpixel((x, y), tuple(int(max(30, min(225, value + noise))) for value in (red, green, blue)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 20, 90, 80), outline=(200, 60, 60), width=3)
    draw.line((0, 110, 160, 10), fill=(210, 210, 190), width=2)
    draw.text((70, 90), "Notes 42", fill=(40, 40, 60))
    return image


def main(cjpeg):
    pixels, scans = HERE / "pixels.ppm", HERE / "scans.txt"
    picture().save(pixels)
    scans.write_text("0;1;2;")
    for name, options in KINDS:
        options = options.replace("SCANS", str(scans)).split()
        subprocess.run([cjpeg, "-quality", "85", *options, "-outfile", HERE / f"{name}.jpg", pixels], check=True)
    picture().convert("CMYK").save(HERE / "cmyk.jpg", quality=85)
    pixels.unlink()
    scans.unlink()


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
