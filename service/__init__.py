"""The HTTP service: which model, quant and engine should I run on this box?"""
