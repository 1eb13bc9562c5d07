"""An app of the test settings that brings a kind of lab: the smallest whole example of one."""
