//! Wrong programs and the messages that their authors read; everything is in `cases` and `tests`.
