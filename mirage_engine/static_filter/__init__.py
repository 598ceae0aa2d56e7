"""Static filters: which pixels stand still, and are sure enough, to be remembered."""

from mirage_engine.static_filter.choice import load_filter
from mirage_engine.static_filter.plain import CodecFilter, KeepAll
from mirage_engine.static_filter.residual import ResidualFilter

__all__ = ["CodecFilter", "KeepAll", "ResidualFilter", "load_filter"]
