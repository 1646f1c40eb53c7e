"""Draws the files of this folder, which anyone may use for anything; needs Pillow, cjpeg of libjpeg-turbo and avifenc of
libavif.

usage: make.py CJPEG AVIFENC
"""
import math
import pathlib
import random
import subprocess
import sys
import zlib

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
# The same of avifenc, for four quarters of different colours; with transparent ones by a name that begins with alpha.
AVIF_KINDS = [
    ("alpha", "--yuv 420"),
    ("alpha-grey", "--yuv 400"),
    ("alpha-multiplied", "--yuv 444 --premultiply"),
    ("avif-400", "--yuv 400"),
    ("avif-420", "--yuv 420"),
    ("avif-422-12", "--yuv 422 --depth 12"),
    ("avif-444-10-limited", "--yuv 444 --depth 10 --range limited"),
    ("avif-bt2020", "--cicp 9/14/9 --depth 10 --range limited"),
    ("avif-cropped", "--yuv 420 --crop 48,32,48,32"),
    ("avif-display-p3", "--cicp 12/13/6"),
    ("avif-gbr", "--lossless"),
    ("avif-tiles", "--yuv 420 --grid 2x1"),
    ("avif-turned", "--yuv 420 --irot 1 --imir 0"),
]
# Where the passes of an interlaced PNG begin, and how far apart their pixels are.
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
# Top left, top right, bottom left and bottom right, and how opaque they are where not all are.
QUARTERS = [(220, 30, 30), (30, 200, 30), (30, 30, 220), (128, 128, 128)]
OPACITIES = [0, 128, 255, 255]


def quarters(width, height, is_opaque):
    image = Image.new("RGBA", (width, height))
    for quarter, (colour, opacity) in enumerate(zip(QUARTERS, OPACITIES)):
        place = (quarter % 2 * width // 2, quarter // 2 * height // 2)
        image.paste((*colour, 255 if is_opaque else opacity), (*place, place[0] + width // 2, place[1] + height // 2))
    return image.convert("RGB") if is_opaque else image


def avif(avifenc, name, options, frames):
    sources = [HERE / f"frame-{number}.png" for number in range(frames)]
    width = 128 if name == "avif-tiles" else 96
    for source in sources:
        quarters(width, 64, not name.startswith("alpha")).save(source)
    quality = [] if "--lossless" in options else ["--min", "5", "--max", "15"]
    command = [avifenc, "--jobs", "1", "--speed", "4", *quality, *options.split(), *sources]
    subprocess.run([*command, "--output", HERE / f"{name}.avif"], check=True, stdout=subprocess.DEVNULL)
    for source in sources:
        source.unlink()


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


def interlaced_png(image):
    """Adam7 by hand, which Pillow does not write."""
    rows = bytearray()
    for left, top, across, down in PASSES:
        for y in range(top, image.height, down):
            rows += b"\0" + b"".join(bytes(image.getpixel((x, y))) for x in range(left, image.width, across))

    def chunk(name, data):
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = image.width.to_bytes(4, "big") + image.height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 1])
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(rows))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def others():
    """What Pillow writes alone."""
    whole, alpha = picture(), quarters(96, 64, False)
    small = whole.resize((64, 46))
    small.save(HERE / "png-colours.png")
    alpha.save(HERE / "png-alpha.png")
    whole.convert("L").convert("I;16").save(HERE / "png-grey-16.png")
    small.convert("1").save(HERE / "png-one-bit.png")
    small.quantize(32).save(HERE / "png-palette.png", transparency=3)
    (HERE / "png-interlaced.png").write_bytes(interlaced_png(small))
    whole.save(HERE / "webp-lossy.webp", quality=70)
    small.save(HERE / "webp-lossless.webp", lossless=True)
    alpha.save(HERE / "webp-alpha.webp", quality=70)
    frames = [small, small.rotate(180)]
    frames[0].save(HERE / "webp-animated.webp", save_all=True, append_images=frames[1:], quality=60)
    indexed = [frame.quantize(32) for frame in frames]
    indexed[0].save(HERE / "gif-animated.gif", save_all=True, append_images=indexed[1:])
    indexed[0].save(HERE / "gif-transparent.gif", transparency=3)
    indexed[0].save(HERE / "gif-interlaced.gif", interlace=True)


def main(cjpeg, avifenc):
    others()
    pixels, scans = HERE / "pixels.ppm", HERE / "scans.txt"
    picture().save(pixels)
    scans.write_text("0;1;2;")
    for name, options in KINDS:
        options = options.replace("SCANS", str(scans)).split()
        subprocess.run([cjpeg, "-quality", "85", *options, "-outfile", HERE / f"{name}.jpg", pixels], check=True)
    picture().convert("CMYK").save(HERE / "cmyk.jpg", quality=85)
    for name, options in AVIF_KINDS:
        avif(avifenc, name, options, 1)
    avif(avifenc, "avif-sequence", "--yuv 420", 2)
    # As large as may be, and next to nothing.
    Image.new("RGB", (5600, 4000), (90, 120, 60)).save(HERE / "avif-flat.avif", quality=50, speed=9)
    pixels.unlink()
    scans.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
