"""What `train_chat.py` is made of: dialogues about this server, a small decoder, its training, export and evaluation."""
