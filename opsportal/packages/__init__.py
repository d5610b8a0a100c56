"""Packages of a host by its own package manager: what is there, what it offers, and the steps that install."""
