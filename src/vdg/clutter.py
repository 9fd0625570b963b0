"""What operating systems and file managers leave in folders, and one spelling for names."""

import unicodedata

# by name, in lower case, because each system writes its own capitals
FOLDERS = {
    "__macosx",  # of macOS's zip files
    "@eadir",  # Synology's thumbnails
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
}
FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon", "picasa.ini"}


def is_clutter(path: str) -> bool:
    """Whether a relative path, with forward slashes, is of an operating system and no data.

    Hidden files and folders (`._1.png`, `.DS_Store`), thumbnails, settings of folders, bins.
    """
    *folders, base = (part.casefold() for part in path.split("/"))
    if any(part.startswith(".") and part != "." for part in (*folders, base)):
        return True
    # macOS names the icon of a folder "Icon" and a carriage return
    return base.strip() in FILES or not FOLDERS.isdisjoint((*folders, base))


def composed(name: str) -> str:
    """A name in Unicode's composed form, NFC, in which all names are compared.

    macOS and its zip files write letters and accents apart (NFD); tables that people type do not.
    """
    return unicodedata.normalize("NFC", name)
