"""SAT's network: U-Net, query decoder, text encoder, checkpoints."""

from .checkpoints import load_published
from .config import SATConfig
from .sat import SAT, EncodedImage

__all__ = ["SAT", "EncodedImage", "SATConfig", "load_published"]
