"""VDG, the View-Disentangled Generator, and what trains and scores it."""


def __getattr__(name: str):
    if name == "PoseTransfer":  # on demand: the pipeline's stages need not load it
        from vdg.inference.transfer import PoseTransfer

        return PoseTransfer
    raise AttributeError(f"module 'vdg' has no attribute {name!r}")
