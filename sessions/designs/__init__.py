"""Accepted designs in git: one commit, one annotated tag and its evidence per design."""

from sessions.designs.model import AcceptedDesign, DesignCommit, Prepared
from sessions.designs.plumbing import user_identity
from sessions.designs.repository import DesignRepository

__all__ = ["AcceptedDesign", "DesignCommit", "DesignRepository", "Prepared", "user_identity"]
