"""Makes the pictures, and for each a reference: the whole picture in sRGB, upright, on white, resampled by Lanczos3.

`pictures.tsv` says what there is: class, file, reference. Made once; remove the directory to make them anew.
"""

import os
import shutil
import sys

import pyvips
from PIL import Image

from pillow import ORIENTATION, on_white, upright_in_srgb

Image.MAX_IMAGE_PIXELS = None
SIZE = 320

shared, target = sys.argv[1:]
unfinished = f"{target}.unfinished"
backgrounds = os.path.join(shared, "backgrounds")
index = []


def photograph(name):
    return os.path.join(backgrounds, name)


def opened(name, size=None):
    image = Image.open(photograph(name))
    image.load()
    return image.resize(size, Image.Resampling.LANCZOS) if size else image


def add(kind, file):
    index.append((kind, file))
    return os.path.join(unfinished, file)


def copy(kind, name):
    shutil.copy(photograph(name), add(kind, os.path.basename(name)))


def save(kind, file, image, **options):
    image.info.clear()
    image.save(add(kind, file), **options)


def as_vips(image):
    rgb = image.convert("RGB")
    return pyvips.Image.new_from_memory(rgb.tobytes(), *rgb.size, 3, "uchar").copy(interpretation="srgb")


def baseline():
    kind = "JPEG baseline 12–24 MP"
    copy(kind, "Kleiber_by_Lukas_Baubkus.jpg")
    copy(kind, "Painting-Colors_by__herobrine7gamer.jpg")
    save(kind, "dragonfly-12mp.jpg", opened("Dragonfly_by_Bolly.jpg", (4000, 3000)), quality=95, subsampling="4:2:2")
    save(kind, "sunset-12mp.jpg", opened("sunset_by_Aitzol_Berasategi.jpg"), quality=92)
    save(kind, "elephants-18mp.jpg", opened("mate/abstract/Elephants_5640x3172.jpg"), quality=95)
    save(kind, "sea-24mp.jpg", opened("Infinite-Sea_by_Aury88.jpg", (6000, 4000)), quality=90)


def progressive():
    kind = "JPEG progressive 12–18 MP"
    copy(kind, "sunset_by_Aitzol_Berasategi.jpg")
    copy(kind, "Dragonfly_by_Bolly.jpg")
    copy(kind, "seeding_by_Clements_Engelhardt.jpg")
    copy(kind, "mate/abstract/Elephants_5640x3172.jpg")


def small():
    kind = "JPEG ≤ 2.5 MP"
    copy(kind, "mate/nature/Storm.jpg")
    copy(kind, "mate/nature/Dune.jpg")
    copy(kind, "mate/nature/RainDrops.jpg")
    copy(kind, "mate/nature/Blinds.jpg")
    save(kind, "wine-1mp.jpg", opened("Wine_by_Jakkub_Mede.jpg", (854, 1280)), quality=85)


def upright():
    photo = opened("picosdeeuropa_by_Aitzol_Berasategi.jpg", (2400, 1800))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        save("JPEG, eight orientations", f"orientation-{orientation}.jpg", photo, quality=90, exif=exif)


def profiles():
    kind = "JPEG CMYK, Adobe RGB, grey"
    bridge = as_vips(opened("Bridge_by_Sander_Klootwijk.jpg"))
    cmyk = bridge.icc_export(output_profile="cmyk")
    cmyk.jpegsave(add(kind, "bridge-cmyk-11mp.jpg"), Q=90)
    life = as_vips(opened("life_by_Aitzol_Berasategi.jpg")).icc_export(output_profile="cmyk")
    life.jpegsave(add(kind, "life-cmyk-6mp.jpg"), Q=90)
    adobe = os.path.join(shared, "color/icc/colord/AdobeRGB1998.icc")
    friends = as_vips(opened("umang_by_Abhishek_Mudgal.jpg"))
    friends.icc_transform(adobe, input_profile="srgb").jpegsave(add(kind, "umang-adobe-rgb-8mp.jpg"), Q=92)
    save(kind, "grey-6mp.jpg", opened("friends_by_Aitzol_Berasategi.jpg").convert("L"), quality=90)


def png():
    kind = "PNG"
    copy(kind, "mate/desktop/Ubuntu-Mate-Warm-no-logo.png")
    copy(kind, "mate/abstract/Arc-Colors-Transparent-Wallpaper.png")
    copy(kind, "mate/abstract/Gulp.png")
    figures = os.path.join(shared, "help/C/gnome-help/figures")
    shutil.copy(os.path.join(figures, "shell-appts.png"), add(kind, "shell-appts.png"))
    save(kind, "photo-8mp.png", opened("umang_by_Abhishek_Mudgal.jpg"))
    save(kind, "palette-4mp.png", opened("mate/nature/Garden.jpg").quantize(256))
    sixteen = as_vips(opened("aitzgorri_by_Aitzol_Berasategi.jpg")).gaussblur(0.6).colourspace("rgb16")
    sixteen.pngsave(add(kind, "sixteen-bits-6mp.png"), keep="none")
    as_vips(opened("mate/nature/TwoWings.jpg")).pngsave(add(kind, "interlaced-4mp.png"), interlace=True, keep="none")


def webp():
    kind = "WebP lossy"
    copy(kind, "gnome/wood-l.webp")
    copy(kind, "gnome/adwaita-d.webp")
    save(kind, "sunset-12mp.webp", opened("sunset_by_Aitzol_Berasategi.jpg"), quality=85)
    save(kind, "arc-alpha.webp", opened("mate/abstract/Arc-Colors-Transparent-Wallpaper.png"), quality=85)
    kind = "WebP lossless"
    save(kind, "storm-lossless.webp", opened("mate/nature/Storm.jpg"), lossless=True)
    save(kind, "arc-lossless.webp", opened("mate/abstract/Arc-Colors-Transparent-Wallpaper.png"), lossless=True)
    save(kind, "garden-lossless-4mp.webp", opened("mate/nature/Garden.jpg"), lossless=True)


def gif():
    kind = "GIF"
    save(kind, "dune.gif", opened("mate/nature/Dune.jpg"))
    frames = [opened("mate/nature/RainDrops.jpg", (1200, 750)).rotate(angle).quantize(128) for angle in (0, 90, 180)]
    save(kind, "animated.gif", frames[0], save_all=True, append_images=frames[1:])


def avif():
    kind = "AVIF"
    save(kind, "sunset-12mp.avif", opened("sunset_by_Aitzol_Berasategi.jpg"), quality=70, speed=8)
    save(kind, "umang-8mp.avif", opened("umang_by_Abhishek_Mudgal.jpg"), quality=70, speed=8)


def reference(file):
    image = upright_in_srgb(Image.open(os.path.join(unfinished, file)))
    image = on_white(image).convert("RGB")
    long = max(image.size)
    if long > SIZE:
        size = [max(1, (2 * side * SIZE + long) // (2 * long)) for side in image.size]
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.info.clear()
    to = f"{file}.reference.png"
    image.save(os.path.join(unfinished, to))
    return to


if not os.path.isdir(target):
    shutil.rmtree(unfinished, ignore_errors=True)
    os.makedirs(unfinished)
    for make in (baseline, progressive, small, upright, profiles, png, webp, gif, avif):
        make()
    with open(os.path.join(unfinished, "pictures.tsv"), "w") as file:
        file.writelines(f"{kind}\t{picture}\t{reference(picture)}\n" for kind, picture in index)
    os.rename(unfinished, target)
