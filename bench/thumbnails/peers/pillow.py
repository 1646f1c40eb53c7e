"""Pillow: decodes JPEG scaled, by `thumbnail`'s own use of `draft`."""

from io import BytesIO

from PIL import Image, ImageCms, ImageOps
from protocol import serve

Image.MAX_IMAGE_PIXELS = None
ORIENTATION = 0x0112
SRGB = ImageCms.createProfile("sRGB")


def in_srgb(image):
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in ("P", "LA", "PA"):
        image = image.convert("RGBA")
    if image.mode == "1":
        image = image.convert("L")
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        to = "RGBA" if image.mode == "RGBA" else "RGB"
        try:
            return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(BytesIO(profile)), SRGB, outputMode=to)
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB") if image.mode == "CMYK" else image


def upright_in_srgb(image):
    orientation = image.getexif().get(ORIENTATION)
    image = in_srgb(image)
    if orientation:
        image.getexif()[ORIENTATION] = orientation
        image = ImageOps.exif_transpose(image)
    return image


def on_white(image):
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def make(picture, size, output):
    image = Image.open(BytesIO(picture))
    if image.mode in ("P", "LA", "PA"):
        # Palettes cannot be resampled, and two channels not with their alpha.
        image = image.convert("RGBA")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    image = upright_in_srgb(image)
    if output == "jpeg":
        image = on_white(image)
    image.info.clear()
    to = BytesIO()
    image.save(to, output, quality=80, exif=b"")
    return to.getvalue()


if __name__ == "__main__":
    serve(make)
