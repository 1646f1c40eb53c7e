"""libvips by pyvips: its one call for thumbnails."""

import os

os.environ["VIPS_CONCURRENCY"] = "1"

import pyvips
from protocol import serve

pyvips.cache_set_max(0)


def make(picture, size, output):
    image = pyvips.Image.thumbnail_buffer(picture, size, height=size, size="down", output_profile="srgb")
    if output == "jpeg":
        if image.hasalpha():
            image = image.flatten(background=255)
        return image.jpegsave_buffer(Q=80, optimize_coding=True, keep="none")
    return image.webpsave_buffer(Q=80, keep="none")


if __name__ == "__main__":
    serve(make)
