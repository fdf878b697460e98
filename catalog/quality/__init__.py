"""How good a model is at a task, learnt from published scores, and what a quant costs, learnt from measured losses."""
