"""Generated scores for the tests of this folder."""

from page_scores import emulation, forecasting

__all__ = ["emulation", "forecasting"]
