"""Ask modelpicker from a chat room: text → question → answer, through the SDK alone."""
