"""Records from files of other tools: config.json, GGUF headers, safetensors indexes."""
