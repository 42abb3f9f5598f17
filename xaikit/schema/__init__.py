"""What a config may say: its sections as dataclasses, their keys, values, plugins and shorthand."""
