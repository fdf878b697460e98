"""One module per resource; each turns HTTP into a question and an answer into bytes."""
