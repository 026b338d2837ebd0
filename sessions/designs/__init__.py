"""Accepted designs in git: one commit, one annotated tag and its evidence per design."""

from sessions.designs.checkout import CheckedOut, CheckoutRefused, check_out, write_whole
from sessions.designs.export import standalone
from sessions.designs.model import AcceptedDesign, DesignCommit, Prepared
from sessions.designs.plumbing import user_identity
from sessions.designs.repository import DesignRepository

__all__ = [
    "AcceptedDesign",
    "CheckedOut",
    "CheckoutRefused",
    "DesignCommit",
    "DesignRepository",
    "Prepared",
    "check_out",
    "standalone",
    "user_identity",
    "write_whole",
]
