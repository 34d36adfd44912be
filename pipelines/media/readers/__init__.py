"""Readers of frames: decord and PyAV for videos, Pillow for images and animations, behind one interface."""
