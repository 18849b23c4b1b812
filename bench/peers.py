"""What users would pick instead, on the series that peers.ts sends: reads JSON on stdin, writes JSON lines.

Needs: pip install statsforecast prophet
"""
import json
import logging
import resource
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def cpu_seconds():
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def seasonal_naive(values, horizon, day):
    from statsforecast.models import SeasonalNaive

    return SeasonalNaive(season_length=day).forecast(y=values, h=horizon)["mean"]


def mstl(jumps):
    def forecast(values, horizon, day):
        from statsforecast.models import MSTL, AutoETS

        options = {"stl_kwargs": {"seasonal_jump": day // 10, "trend_jump": day // 10, "low_pass_jump": day // 10}} if jumps else {}
        model = MSTL(season_length=[day, 7 * day], trend_forecaster=AutoETS(model="ZZN"), **options)
        return np.expm1(model.forecast(y=np.log1p(values), h=horizon)["mean"])

    return forecast


def prophet(values, horizon, day):
    import pandas as pd
    from prophet import Prophet

    step = pd.Timedelta(days=1) / day
    times = pd.Timestamp("2024-01-01") + step * np.arange(len(values) + horizon)
    model = Prophet(daily_seasonality=True, weekly_seasonality=True, yearly_seasonality=False)
    model.fit(pd.DataFrame({"ds": times[: len(values)], "y": values}))
    return model.predict(pd.DataFrame({"ds": times[len(values) :]}))["yhat"].to_numpy()


PEERS = {
    "SeasonalNaive (statsforecast)": seasonal_naive,
    "Prophet, daily and weekly": prophet,
    "MSTL + AutoETS, logs, STL jumps": mstl(jumps=True),
    "MSTL + AutoETS, logs, as it comes": mstl(jumps=False),
}

request = json.load(sys.stdin)
for name, forecast in PEERS.items():
    if "as it comes" in name and not request["slow"]:
        continue
    try:
        # Imports, compilation and Stan's start are not what is measured.
        warm = np.asarray(request["series"][0]["values"], dtype=float)[-3 * request["day"] :]
        forecast(np.tile(warm, 6), request["horizon"], request["day"])
    except Exception as error:
        print(json.dumps({"name": name, "error": str(error)}), flush=True)
        continue
    before = cpu_seconds()
    points = [forecast(np.asarray(s["values"], dtype=float), request["horizon"], request["day"]).tolist() for s in request["series"]]
    print(json.dumps({"name": name, "cpu": (cpu_seconds() - before) / len(points), "points": points}), flush=True)
