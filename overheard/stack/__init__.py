"""The local stack: everything that `overheard up` starts, watches and stops, and what `overheard doctor` looks at."""
