"""What a sparse recurrent LLM costs, in joules and seconds per token, on SENECA."""

__version__ = "0.1.0"
