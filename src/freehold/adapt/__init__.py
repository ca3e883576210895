"""Raw model to artifact: encoder graphs written from Hugging Face folders, and the goldens that prove them."""
