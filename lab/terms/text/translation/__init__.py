"""Error messages in Chinese: they are raised in English, and translated where a person reads them."""

from lab.terms.text.translation.catalogue import translate_message

__all__ = ["translate_message"]
