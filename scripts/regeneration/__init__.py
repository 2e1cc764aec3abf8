"""The pipeline from a published specification to a generated client, one module per stage.

select -> normalise -> overlay -> make lenient -> validate -> generate
"""
