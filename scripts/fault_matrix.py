import sys, time
from faults.cells import all_cells
from faults.run import run_all
if __name__ == "__main__":
    kind = sys.argv[1]; only = sys.argv[2] if len(sys.argv) > 2 else ""
    cells = [c for c in all_cells(kind) if only in c.name]
    print(len(cells))
    t = time.time(); tot = 0
    for v in run_all(cells):
        tot += v.seconds
        if v.violations or v.beyond or only:
            print(f"{v.cell.name}: {v.outcome} {v.seconds:.1f}", [str(x) for x in v.violations], [str(x) for x in v.beyond])
    print("time", time.time() - t, tot)
