"""What measurements teach on top of physics: how near engines come to their ceilings, and how sure that is."""
